//! What a PostgreSQL server tells about itself.

/// Version, free connections, connections in all. Those that are kept for superusers aren't free.
pub const FACTS: &str = "
    SELECT split_part(current_setting('server_version'), ' ', 1),
           current_setting('max_connections')::int8
           - current_setting('superuser_reserved_connections')::int8
           - coalesce(current_setting('reserved_connections', true)::int8, 0)
           - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
           current_setting('max_connections')::int8";
