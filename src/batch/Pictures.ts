/** Which files of a folder are taken for images, by their names. */

const endings = /\.(png|jpe?g|webp|tiff?|avif|gif|bmp|heic|heif)$/i
/** What a run of this package wrote is no input of the next one. */
const results = /\.(overlay\.(png|jpg)|labels\.png)$/i

/** Whether a file is an image by its name, and not a result. */
export const isPicture = (path: string): boolean => endings.test(path) && !results.test(path)
