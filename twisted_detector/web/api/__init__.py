"""The JSON API: table of routes, schemas, parsing of requests, handlers, and the OpenAPI document made of the table."""
