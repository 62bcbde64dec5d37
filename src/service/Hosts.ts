/**
 * Which hosts an address that somebody else chose may lead to: what a service names in its answers must not become a
 * way to places that only this machine can reach.
 */

/** Hosts as `example.com`, `example.com:8443`, or `*.example.com` for its subdomains. */
export type Hosts = ReadonlyArray<string>

/** Whether an address leads to one of the hosts, at the port given there or the scheme's own. */
export const allows = (hosts: Hosts, url: URL): boolean =>
  hosts.some((host) =>
    host.startsWith("*.") ? url.host.endsWith(host.slice(1).toLowerCase()) : url.host === host.toLowerCase()
  )
