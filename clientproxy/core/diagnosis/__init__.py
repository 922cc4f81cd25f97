"""What `clientproxy doctor` makes of what it has measured: findings in plain words."""
