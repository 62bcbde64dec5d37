/** `FILE#2` names the second page of FILE, wherever files are named by words. */

/** The file and the page that a word names: of a file that is called so itself, whoever asks has looked first. */
export const parse = (word: string): { readonly path: string; readonly page: number } | undefined => {
  const [, path, page] = /^(.+)#([1-9]\d{0,8})$/.exec(word) ?? []
  return path === undefined ? undefined : { path, page: Number(page) }
}
