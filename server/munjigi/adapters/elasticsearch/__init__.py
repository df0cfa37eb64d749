"""Elasticsearch as a projection of the logs (promise P7): shipping, comparing, searching. Imported only where configured."""
