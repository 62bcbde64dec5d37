/** Files of the page that are packed by Zstandard, whatever the host does: they are most of what it weighs. */
import { decompress } from "fzstd"

/** A file beside this module, unpacked. */
export const load = async (name: string): Promise<Uint8Array<ArrayBuffer>> => {
  const response = await fetch(new URL(name, import.meta.url))
  if (!response.ok) throw new Error(`${name} does not come: ${response.status} ${response.statusText}`)
  const packed = new Uint8Array(await response.arrayBuffer())
  // Its result may stand in a larger memory.
  return new Uint8Array(decompress(packed))
}
