"""A stand-in for Slack: one workspace with its members, its channels, one app, and Slack's own strictness.

It speaks the Web API, takes files and has socket mode, over TLS and behind a proxy of its own, so that a program
that only knows `https://slack.com` can be pointed at it with HTTPS_PROXY and SSL_CERT_FILE. Nothing leaves the machine.
"""
