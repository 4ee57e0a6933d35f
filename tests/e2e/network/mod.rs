//! HTTP/1.1 connections, directly and through a proxy.

mod connections;
mod proxies;
