/** Pixels of image files: what the browser cannot read itself, a TIFF say, the server makes a PNG of, once. */
import { picture } from "./Api.ts"
import { isTurned } from "./Exif.ts"

const made = new WeakMap<Blob, Promise<Blob>>()
/** What came of it. */
const pictures = new WeakMap<Blob, Blob>()

/** The file itself, or the PNG that was made of it. */
export const readable = (file: Blob): Blob => pictures.get(file) ?? file

/** What this browser makes of a file by itself, as a person sees it. */
export const own = async (file: Blob): Promise<ImageBitmap | undefined> => {
  try {
    return (await isTurned(file)) ? undefined : await createImageBitmap(file)
  } catch {
    return undefined
  }
}

/** A bitmap of the whole file; `undefined` where nobody can read it. To be closed by whoever asks. */
export const open = async (file: Blob): Promise<ImageBitmap | undefined> => {
  // What was made before tells that the browser cannot.
  const known = made.get(file)
  const found = known === undefined ? await own(file) : undefined
  if (found !== undefined) return found
  const asked = known ?? picture(file)
  made.set(file, asked)
  try {
    const png = await asked
    pictures.set(file, png)
    return await createImageBitmap(png)
  } catch {
    // A server that does not answer now may do so the next time.
    made.delete(file)
    return undefined
  }
}
