"""HTTP to addresses that are allowed; and services that are asked once whether they accept a value."""
