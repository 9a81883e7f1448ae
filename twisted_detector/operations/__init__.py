"""What an operator may ask and is told: control socket, MQTT commands, why, doctor, export, health, metrics."""
