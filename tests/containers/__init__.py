"""What ships as a container, built and started as a user does (`make containers`)."""
