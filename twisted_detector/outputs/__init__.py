"""Words events for each consumer, and keeps Frigate and go2rtc in step; one sub-package a consumer."""
