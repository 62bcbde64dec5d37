/** `@huggingface/transformers` from files to label maps, as its documentation does it, in Node and in a page alike. */

/** What of it is used here; it is installed apart, so its own types are not at hand. */
export interface Transformers {
  readonly env: {
    allowRemoteModels: boolean
    allowLocalModels: boolean
    localModelPath: string
    readonly backends: { readonly onnx: { readonly wasm?: { numThreads?: number; wasmPaths?: string } } }
  }
  readonly RawImage: {
    new (data: Uint8Array, width: number, height: number, channels: number): Picture
    readonly fromBlob: (file: Blob) => Promise<Picture>
    readonly read: (file: string) => Promise<Picture>
  }
  readonly AutoImageProcessor: { readonly from_pretrained: (name: string) => Promise<Processor> }
  readonly AutoModelForSemanticSegmentation: {
    readonly from_pretrained: (
      name: string,
      options: object
    ) => Promise<(inputs: unknown) => Promise<unknown>>
  }
}

export interface Picture {
  readonly width: number
  readonly height: number
}

interface Processor {
  (images: ReadonlyArray<unknown>): Promise<unknown>
  readonly post_process_semantic_segmentation: (
    outputs: unknown,
    sizes: ReadonlyArray<readonly [height: number, width: number]>
  ) => ReadonlyArray<{ readonly segmentation: { readonly data: ArrayLike<number> } }>
}

/** How a model is loaded. */
export interface Loading extends Transformers {
  /** The folder, or the address, that the model's folder is in. */
  readonly models: string
  readonly name: string
  readonly device: "cpu" | "wasm"
  readonly threads: number
  /** `fp32` by default. */
  readonly dtype?: string
  /** Where the files of ONNX Runtime are, for a page. */
  readonly assets?: string
}

export interface Options extends Loading {
  readonly pictures: ReadonlyArray<Blob>
}

/** From a file to its label map. */
export const load = async (options: Loading): Promise<(file: Blob) => Promise<Uint8Array>> => {
  const { AutoImageProcessor, AutoModelForSemanticSegmentation, RawImage, env } = options
  env.allowRemoteModels = false
  env.allowLocalModels = true
  env.localModelPath = options.models
  const { wasm } = env.backends.onnx
  if (wasm !== undefined && options.assets !== undefined) {
    wasm.numThreads = options.threads
    wasm.wasmPaths = options.assets
  }
  const processor = await AutoImageProcessor.from_pretrained(options.name)
  const model = await AutoModelForSemanticSegmentation.from_pretrained(options.name, {
    dtype: options.dtype ?? "fp32",
    device: options.device,
    session_options: options.device === "cpu" ? { intraOpNumThreads: options.threads } : {}
  })
  return async (file) => {
    const picture = await RawImage.fromBlob(file)
    const outputs = await model(await processor([picture]))
    const [result] = processor.post_process_semantic_segmentation(outputs, [[picture.height, picture.width]])
    return Uint8Array.from(result!.segmentation.data)
  }
}

export const make = async (options: Options): Promise<() => Promise<ReadonlyArray<Uint8Array>>> => {
  const segment = await load(options)
  return async () => {
    const maps: Array<Uint8Array> = []
    for (const file of options.pictures) maps.push(await segment(file))
    return maps
  }
}
