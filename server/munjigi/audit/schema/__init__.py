"""What each record means, and what it is called outside: in Elasticsearch (ECS 9) and in OCSF."""
