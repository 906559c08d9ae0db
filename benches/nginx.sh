# Sourced by the benchmarks over HTTP: an nginx of one worker on a free loopback port that answers 200
# to everything, in a process and a folder of its own. Sets `work`, `url`, `log_url`, `nginx_pid`.
work=$(mktemp -d)
chmod 711 "$work"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port) log_port=$(free_port)
url=http://127.0.0.1:$port/webhook/stripe/ log_url=http://127.0.0.1:$log_port/webhook/stripe/
cat > "$work/nginx.conf" <<CONFIGURATION
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid $work/nginx.pid;
error_log $work/error.log;
events { worker_connections 15000; }
http {
    log_format size '\$content_length';
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_header_timeout 600s;
    client_body_buffer_size 16k;
    client_body_temp_path $work/body;
    proxy_temp_path $work/proxy;
    fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi;
    scgi_temp_path $work/scgi;
    default_type text/plain;
    server {
        listen 127.0.0.1:$port backlog=16384;
        return 200 "ok";
    }
    server {
        listen 127.0.0.1:$log_port;
        access_log $work/sizes size;
        return 200 "ok";
    }
}
CONFIGURATION
nginx -p "$work" -e "$work/error.log" -c "$work/nginx.conf" &
nginx_pid=$!
trap 'kill "$nginx_pid" 2>/dev/null; wait "$nginx_pid" 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    kill -0 "$nginx_pid" || { cat "$work/error.log" >&2; exit 3; }
    sleep 0.05
done
