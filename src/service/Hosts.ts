/**
 * Which hosts an address that somebody else chose may lead to: what a service names in its answers must not become a
 * way to places that only this machine can reach.
 */

/** Hosts as `example.com`, `example.com:8443`, or `*.example.com` for its subdomains. */
export type Hosts = ReadonlyArray<string>

/** A host in its one spelling: ASCII, an address as URLs have it, without the scheme's own port or the dot of the root. */
const plain = (text: string, protocol: string): string => {
  const host = /^[\da-f:.]*:[\da-f.]*:[\da-f:.]*$/i.test(text) ? `[${text}]` : text
  const url = `${protocol}//${host}`
  return /[/\\?#@\s]/.test(text) || !URL.canParse(url) ? text : new URL(url).host.replace(/\.(?=:|$)/, "")
}

/** Whether an address leads to one of the hosts, at the port given there or the scheme's own. */
export const allows = (hosts: Hosts, { host, protocol }: URL): boolean => {
  const asked = plain(host, protocol)
  return hosts.some((given) =>
    given.startsWith("*.")
      ? asked.endsWith(`.${plain(given.slice(2), protocol)}`)
      : asked === plain(given, protocol)
  )
}
