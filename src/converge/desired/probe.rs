//! The health check by `path`, as a shell command for whichever client an image has. Pure.
//!
//! It asks the container itself: no proxy of the environment, no redirect to elsewhere. It ends
//! within its time whatever the server does, so that one never runs beside the next. An answer
//! below 400 is a pass.

/// curl, bash, GNU wget, BusyBox (`nc`, or its wget, which cannot be kept from following), in
/// this order.
pub fn http(port: u16, path: &str, seconds: u64) -> String {
    let url = format!("http://127.0.0.1:{port}{path}");
    let request = format!(
        r#"printf "GET %s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n" "{path}""#
    );
    let passes = r#"echo "HTTP $code"; [ "${code:-999}" -lt 400 ]"#;
    let has = "command -v";
    // A limit from outside: for clients that have none, or count each read anew.
    let limit = format!(
        "limit=; {has} timeout >/dev/null && timeout -s KILL 1 true 2>/dev/null && \
         limit='timeout -s KILL {seconds}'"
    );
    [
        format!(
            "if {has} curl >/dev/null; then exec curl -q -fsS --noproxy '*' --max-redirs 0 \
             -m {seconds} -o /dev/null '{url}'; fi"
        ),
        limit,
        format!(
            "if {has} bash >/dev/null; then exec $limit bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} \
             && {request} >&3 && read -r -t {seconds} _ code _ <&3; {passes}'; fi"
        ),
        "set -f".to_owned(),
        format!(
            "case $(wget --version 2>&1) in GNU*) set -- $($limit wget -q -S -t 1 -T {seconds} \
             --no-proxy --max-redirect=0 -O /dev/null '{url}' 2>&1);; \
             *) if {has} nc >/dev/null; \
             then set -- $({request} | $limit nc -w {seconds} 127.0.0.1 {port} 2>&1); \
             else exec $limit wget -q -Y off -O /dev/null '{url}'; fi;; esac"
        ),
        format!("code=$2; {passes} 2>/dev/null"),
    ]
    .join("; ")
}
