/** How images come in: dropped anywhere, files or folders, pasted, chosen or photographed, or the one of the page. */
import * as Camera from "./Camera.ts"
import { byId } from "./Dom.ts"
import * as Picture from "./Picture.ts"

export interface IntakeEvents {
  readonly onFiles: (files: ReadonlyArray<File>) => void
  /** Runs what brings a file in, and may fail. */
  readonly onLoad: (load: () => Promise<void>) => void
  /** Dropped on the place for it. */
  readonly onTruth: (file: File) => void
  /** What came was no file. */
  readonly onNothing: (sentence: string) => void
  /** There were more than so many images, which are not taken. */
  readonly onMore: (most: number) => void
  /** Whether there is a picture that a mask could be of. */
  readonly takesTruth: () => boolean
}

/** Images of a folder that are taken at most. */
const most = 500

export const listen = ({ onFiles, onLoad, onMore, onNothing, onTruth, takesTruth }: IntakeEvents): void => {
  const drop = byId("drop", HTMLDivElement)
  const truth = byId("drop-truth", HTMLParagraphElement)
  const all = (files: ReadonlyArray<File>, otherwise: string) => {
    if (files.length === 0) onNothing(otherwise)
    else onFiles(files)
  }

  for (const [button, input] of [
    ["choose", "file"],
    ["again", "file"]
  ] as const) {
    byId(button, HTMLButtonElement).addEventListener("click", () => byId(input, HTMLInputElement).click())
  }
  for (const id of ["file", "camera"]) {
    const input = byId(id, HTMLInputElement)
    input.addEventListener("change", () => {
      if (input.files !== null && input.files.length > 0) onFiles([...input.files])
      // The same file may be chosen again.
      input.value = ""
    })
  }

  byId("sample", HTMLButtonElement).addEventListener("click", () =>
    onLoad(async () => onFiles([await Picture.sample()]))
  )
  byId("photograph", HTMLButtonElement).addEventListener("click", () => {
    // On a phone its own camera program takes better pictures.
    if (matchMedia("(pointer: coarse)").matches || !Camera.isThere()) byId("camera", HTMLInputElement).click()
    else
      onLoad(async () => {
        const photo = await Camera.take()
        if (photo !== undefined) onFiles([photo])
      })
  })
  Camera.listen()

  document.addEventListener("paste", (event) => {
    if (event.target instanceof HTMLInputElement) return
    all(
      [...(event.clipboardData?.files ?? [])],
      "There is no image in the clipboard. Copy one, then paste it here."
    )
  })

  window.addEventListener("dragover", (event) => {
    event.preventDefault()
    drop.hidden = !(event.dataTransfer?.types.includes("Files") ?? false)
    truth.hidden = !takesTruth()
    truth.classList.toggle("over", isOver(truth, event))
  })
  window.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) drop.hidden = true
  })
  window.addEventListener("drop", async (event) => {
    event.preventDefault()
    const isTruth = !truth.hidden && !drop.hidden && isOver(truth, event)
    drop.hidden = true
    const files = await dropped(event.dataTransfer)
    if (isTruth && files[0] !== undefined) return onTruth(files[0])
    all(
      files.slice(0, most),
      "There is no image in what was dropped. Drop an image file, or a folder of them."
    )
    if (files.length > most) onMore(most)
  })
}

const isOver = (element: HTMLElement, { clientX, clientY }: DragEvent): boolean => {
  const { bottom, left, right, top } = element.getBoundingClientRect()
  return clientX >= left && clientX <= right && clientY >= top && clientY <= bottom
}

/** The files, and of folders the images in them by their names' order, one more than are taken at most. */
const dropped = async (data: DataTransfer | null): Promise<ReadonlyArray<File>> => {
  if (data === null) return []
  // Entries are there only until the event is over; a file made by script has none.
  const items = [...data.items].filter(({ kind }) => kind === "file")
  const entries = items.map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }))
  const files: Array<File> = []
  for (const { entry, file } of entries) {
    if (entry?.isDirectory === true) files.push(...(await within(entry)))
    else if (file !== null) files.push(file)
  }
  return files
}

const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory
const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile

const within = async (root: FileSystemEntry): Promise<ReadonlyArray<File>> => {
  const files: Array<File> = []
  const folders: Array<FileSystemEntry> = [root]
  for (let folder = folders.shift(); folder !== undefined && files.length <= most; folder = folders.shift()) {
    if (!isFolder(folder)) continue
    for (const entry of (await entriesOf(folder)).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith(".")) continue
      if (isFile(entry)) {
        const file = await new Promise<File | undefined>((resolve) =>
          entry.file(resolve, () => resolve(undefined))
        )
        if (file?.type.startsWith("image/") === true && files.length <= most) files.push(file)
      } else folders.push(entry)
    }
  }
  return files
}

/** A reader gives a hundred at a time. */
const entriesOf = async (folder: FileSystemDirectoryEntry): Promise<ReadonlyArray<FileSystemEntry>> => {
  const reader = folder.createReader()
  const all: Array<FileSystemEntry> = []
  for (;;) {
    const some = await new Promise<ReadonlyArray<FileSystemEntry>>((resolve) =>
      reader.readEntries(resolve, () => resolve([]))
    )
    if (some.length === 0) return all
    all.push(...some)
  }
}
