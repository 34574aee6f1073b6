"""Streets → one contracted graph per mode; snapping, travel times, service circles."""
