"""What a Python file offers to be checked, and with which inputs."""
