"""GraphQL to domain and back: a resolver parses, makes one call and presents; no SQL, no HTTP, no redis."""
