/** The pictures that `segformers.ts` segments: photographs of the tests side by side, at the sizes that are compared. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import sharp from "sharp"

const folder = fileURLToPath(new URL("../../fixtures/heldout/", import.meta.url))

/** Writes a JPEG of this size as cameras do, with colours at half the resolution. */
export const write = async (file: string, width: number, height: number): Promise<void> => {
  const across = 6
  const down = 4
  const names = readdirSync(folder)
    .filter((name) => name.endsWith(".jpg"))
    .slice(0, across * down)
  const tile = { width: Math.ceil(width / across), height: Math.ceil(height / down) }
  const tiles = await Promise.all(
    names.map(async (name, i) => ({
      input: await sharp(join(folder, name))
        .resize(tile.width, tile.height, { fit: "cover" })
        .png()
        .toBuffer(),
      left: (i % across) * tile.width,
      top: Math.floor(i / across) * tile.height
    }))
  )
  const all = {
    width: tile.width * across,
    height: tile.height * down,
    channels: 3 as const,
    background: "black"
  }
  const whole = await sharp({ create: all }).composite(tiles).png().toBuffer()
  await sharp(whole).extract({ left: 0, top: 0, width, height }).jpeg({ quality: 90 }).toFile(file)
}
