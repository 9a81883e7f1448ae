"""Messages for each consumer, from events; Frigate and go2rtc are kept in step. One sub-package for each consumer."""
