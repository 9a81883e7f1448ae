"""Browsers and programs come in over HTTP; the page, the JSON API and the stream of what happens go out."""
