//! Headers that show that a proxy forwarded a request.

use hyper::header::HeaderMap;

/// Headers that proxies, load balancers, content delivery networks and tunnels
/// add to the requests that they forward, and that no browser and no client for
/// uploads sends. In lower case, as [`hyper::header::HeaderName`] has them.
/// Those that begin with `x-forwarded` are not listed.
const PROXY_HEADERS: &[&str] = &[
    "ali-cdn-real-ip",
    "cdn-loop",
    "cdn-real-ip",
    "cdn-src-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-connecting-o2o",
    "cf-ipcountry",
    "cf-pseudo-ipv4",
    "cf-ray",
    "cf-visitor",
    "client-ip",
    "cluster-client-ip",
    "do-connecting-ip",
    "eo-client-ip",
    "eo-connecting-ip",
    "fastly-client-ip",
    "fastly-ff",
    "fly-client-ip",
    "fly-forwarded-port",
    "fly-forwarded-proto",
    "forwarded",
    "forwarded-for",
    "forwarded-for-ip",
    "front-end-https",
    "incap-client-ip",
    "proxy-client-ip",
    "real-ip",
    "remote-addr",
    "remote-ip",
    "tailscale-user-login",
    "true-client-ip",
    "via",
    "wl-proxy-client-ip",
    "wl-proxy-ssl",
    "x-akamai-edgescape",
    "x-amz-cf-id",
    "x-amzn-trace-id",
    "x-appengine-user-ip",
    "x-appgw-trace-id",
    "x-arr-log-id",
    "x-arr-ssl",
    "x-azure-clientip",
    "x-azure-fdid",
    "x-azure-ref",
    "x-azure-socketip",
    "x-client-ip",
    "x-cloud-trace-context",
    "x-cluster-client-ip",
    "x-coming-from",
    "x-envoy-attempt-count",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-original-path",
    "x-envoy-peer-metadata",
    "x-forwarder-for",
    "x-gateway-host",
    "x-host",
    "x-http-forwarded-for",
    "x-nf-client-connection-ip",
    "x-original-forwarded-for",
    "x-original-host",
    "x-original-url",
    "x-originating-ip",
    "x-proxied-by",
    "x-proxy-for",
    "x-proxyuser-ip",
    "x-real-ip",
    "x-real-port",
    "x-remote-addr",
    "x-remote-ip",
    "x-rewrite-url",
    "x-scheme",
    "x-sucuri-clientip",
    "x-true-client-ip",
    "x-true-ip",
    "x-url-scheme",
    "x-varnish",
    "x-vercel-forwarded-for",
    "x-vercel-id",
];

/// Whether a proxy forwarded this request, by its headers. A proxy that adds none
/// of them, and one below HTTP (a TCP proxy), cannot be seen.
pub fn is_proxied(headers: &HeaderMap) -> bool {
    headers
        .keys()
        .map(|name| name.as_str())
        .any(|name| name.starts_with("x-forwarded") || PROXY_HEADERS.binary_search(&name).is_ok())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    fn has(name: &str) -> bool {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        is_proxied(&[(name, "x".parse().unwrap())].into_iter().collect())
    }

    #[test]
    fn every_header_of_a_proxy_is_known() {
        assert!(PROXY_HEADERS.is_sorted(), "searched by halves");
        for name in PROXY_HEADERS {
            assert!(has(name), "{name}");
        }
        for name in ["X-Forwarded-For", "X-Forwarded-Port", "CF-Connecting-IP"] {
            assert!(has(name), "{name}");
        }
        for name in ["accept", "host", "origin", "x-request-id", "x-file-name"] {
            assert!(!has(name), "{name}");
        }
    }
}
