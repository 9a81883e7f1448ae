"""What an operator may ask and is told: control socket, commands, why, doctor, export, health, metrics."""
