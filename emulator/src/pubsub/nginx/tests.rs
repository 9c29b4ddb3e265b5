//! nginx configurations, and what becomes of them.

use super::*;

#[test]
fn a_configuration_becomes_a_part_of_firebase_json() {
    let text = r#"
worker_processes auto; # the rest is about nginx
events { worker_connections 65536; }
http {
    include mime.types;
    include /etc/nginx/conf.d/*.conf;
    push_stream_shared_memory_size 700m zone;
    push_stream_max_messages_stored_per_channel 1;
    push_stream_message_ttl 1h;
    push_stream_ping_message_text "still \"here\"";
    push_stream_store_messages on;
    server {
        listen 80;
        default_type text/html;
        location = /auth { internal; if ($http_authorization != "${SECRET}") { return 401; } return 200; }
        location /pub {
            auth_request /auth;
            push_stream_publisher admin;
            push_stream_channels_path $arg_id;
            client_max_body_size 2k;
        }
        location /open {
            push_stream_publisher;
            push_stream_channels_path $arg_id;
            push_stream_store_messages off;
        }
        location ~ /sub/(.*) {
            push_stream_subscriber eventsource;
            push_stream_channels_path $1;
            push_stream_wildcard_channel_max_qtd 3;
            push_stream_ping_message_interval 10s;
            push_stream_invented on;
            add_header Content-Type text/event-stream;
        }
        location /channels-stats {
            push_stream_channels_statistics;
            push_stream_channels_path ${arg_id};
        }
        location / { return 204; }
    }
}
"#;
    let Import { push_stream, left_out } = import(text).unwrap();
    let expect = json!({
        "shared_memory_size": "700m",
        "max_messages_stored_per_channel": 1,
        "message_ttl": "1h",
        "ping_message_text": "still \"here\"",
        "locations": [
            {"path": "/pub", "role": "publisher", "mode": "admin", "store_messages": true, "default_type": "text/html",
             "channels_path": "$arg_id", "client_max_body_size": "2k"},
            {"path": "/open", "role": "publisher", "store_messages": false, "default_type": "text/html",
             "channels_path": "$arg_id"},
            {"path": "~ /sub/(.*)", "role": "subscriber", "mode": "eventsource", "store_messages": true,
             "default_type": "text/html", "channels_path": "$1", "wildcard_channel_max_qtd": 3,
             "ping_message_interval": "10s"},
            {"path": "/channels-stats", "role": "statistics", "store_messages": true, "default_type": "text/html",
             "channels_path": "${arg_id}"},
        ],
    });
    assert_eq!(push_stream, expect);
    let expect = [
        "line 6: include /etc/nginx/conf.d/*.conf: other files are not read",
        "line 17: auth_request /auth: nothing here does that",
        "line 22: location /open: anyone may publish there; here publishers show the secret, unless require_secret is false",
        "line 32: push_stream_invented on: there is no such directive of a location",
        "line 33: add_header Content-Type text/event-stream: nothing here does that",
        "to be put right: pushStream.locations[2].wildcard_channel_max_qtd: means nothing without wildcard_channel_prefix",
    ];
    assert_eq!(left_out, expect);
}

#[test]
fn what_is_no_configuration_is_refused_with_its_line() {
    for (text, expect) in [
        ("http {\n", "line 2: the text ends within a block or directive"),
        ("a;\n}", "line 2: a } that closes nothing"),
        ("a\n\"b", "line 2: a quote is not closed"),
        ("a ${b", "line 1: a variable is not closed"),
        (";", "line 1: a directive without a name"),
        ("http { server { location / { return 204; } } }", "there is no location with push_stream_publisher"),
        (&"a {".repeat(100), "blocks lie too deep"),
    ] {
        let problem = import(text).unwrap_err();
        assert!(problem.contains(expect), "{text}: {problem}");
    }
}
