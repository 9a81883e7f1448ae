"""What Frigate and go2rtc should hold goes in; files and requests to their APIs that bring it there come out."""
