/** The view as part of the page's address, so that it can be passed on and comes back with a reload: after the `#`, which no server is sent. */

export interface Link {
  /** The picture's name. */
  readonly name: string
  readonly scale: number
  /** What stands in the frame's middle, in pixels of the picture. */
  readonly x: number
  readonly y: number
  readonly className: string | undefined
  /** The region's number in the list. */
  readonly region: number | undefined
}

export const write = (link: Link | undefined): void => {
  const address = new URL(location.href)
  if (link === undefined) {
    address.hash = ""
  } else {
    const { className, name, region, scale, x, y } = link
    const parts = new URLSearchParams({
      picture: name,
      zoom: scale.toFixed(3),
      at: `${Math.round(x)},${Math.round(y)}`
    })
    if (className !== undefined) parts.set("class", className)
    if (region !== undefined) parts.set("region", String(region))
    address.hash = String(parts)
  }
  history.replaceState(link === undefined ? null : history.state, "", address)
}

/** What the address says, as far as it says anything. */
export const read = (): Link | undefined => {
  const parts = new URLSearchParams(location.hash.slice(1))
  const name = parts.get("picture")
  const scale = Number(parts.get("zoom") ?? Number.NaN)
  const [x = Number.NaN, y = Number.NaN] = (parts.get("at") ?? "").split(",").map(Number)
  const region = Number(parts.get("region") ?? Number.NaN)
  if (name === null || !(scale > 0) || !Number.isFinite(x) || !Number.isFinite(y)) return undefined
  return {
    name,
    scale,
    x,
    y,
    className: parts.get("class") ?? undefined,
    region: Number.isInteger(region) ? region : undefined
  }
}
