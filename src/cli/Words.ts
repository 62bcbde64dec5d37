/**
 * What the library calls by its options, as who runs the command says it: by a flag, a variable, or a file of the model. All that the
 * command writes of errors goes through here.
 */

/** Sentences that are said of a program, where a command has no such option, or one of another name in this place. */
const phrases: ReadonlyArray<readonly [said: string, meant: string]> = [
  ["(`classes`, or id2label in its config.json)", "(id2label in its config.json)"],
  ["Say which one to read (`output`)", "Say which one to read (--model-output)"],
  [', or have it stretched by `otherSize: "resize"`', ""],
  [
    '. Have it stretched by `otherSize: "resize"`, if that is right',
    ": which pixels of the image it is of is not known"
  ],
  ['. `otherSize: "resize"` says that it is right, and "refuse" takes none of another size', ""],
  ["Give `preprocessing` with that `size`", "Write that size there"],
  ["Take it out where it does not, or give `preprocessing`", "Take it out where it does not"],
  [
    "Use `pictures` and `regions`, or give the palette of its mask as an option",
    "Say what its colours mean with --palette"
  ],
  ["(`tokens`, SEGFORMER_SERVE_TOKENS or --token-file)", "(SEGFORMER_SERVE_TOKENS or --token-file)"],
  ["(`allowFrom`, --allow-from)", "(--allow-from)"],
  ["(`allowAnyone`, --allow-anyone)", "(--allow-anyone)"],
  ["(the variant, or `--variant`)", "(--variant)"],
  ["or raise `maxWholePixels`", "or make it smaller"],
  ["Choose a larger `stride`, or raise `maxOverlapBytes`", "Choose a larger --stride"],
  [
    "Send fewer at once (segmentAll does), or raise `queue`",
    "Send fewer at once (--concurrency), or raise SEGFORMER_QUEUE"
  ],
  ["or allow the change: what", "or give --allow-change: what"],
  [", as `ClassTable.fromNames` makes one of names,", ","],
  ["the option `classes`", "SEGFORMER_CLASSES"],
  ["by `HTTPS_PROXY`, or as `proxy`", "by HTTPS_PROXY, or by --proxy"]
]

/** Options by their names in messages. */
const options: Readonly<Record<string, string>> = {
  apiKey: "SEGFORMER_API_KEY",
  "service.apiKey": "SEGFORMER_API_KEY",
  allowPrivate: "--images-from",
  'as: "ids"': "SEGFORMER_MASK_AS=ids",
  'as: "logits"': "SEGFORMER_MASK_AS=logits",
  attemptTimeout: "SEGFORMER_TIMEOUT",
  auto: "--provider auto",
  channels: "SEGFORMER_CHANNELS",
  classes: "SEGFORMER_CLASSES",
  concurrency: "--concurrency",
  deadline: "SEGFORMER_DEADLINE",
  endpoint: "SEGFORMER_PATH",
  hosts: "SEGFORMER_HOSTS",
  ignoreIndex: "SEGFORMER_IGNORE_INDEX",
  input: "SEGFORMER_PART",
  inputs: "SEGFORMER_FIELDS",
  "limits.maxBytes": "--max-bytes",
  "limits.maxPixels": "--max-pixels",
  "mask.at": "SEGFORMER_MASK",
  maxBodyBytes: "SEGFORMER_MAX_BODY_BYTES",
  maxBytes: "SEGFORMER_MAX_BODY_BYTES",
  maxDecodedBytes: "SEGFORMER_MAX_DECODED_BYTES",
  output: "SEGFORMER_OUTPUT",
  pointsOf: "SEGFORMER_POINTS_OF",
  protocol: "SEGFORMER_PROTOCOL",
  queue: "SEGFORMER_QUEUE",
  redirects: "SEGFORMER_REDIRECTS",
  "redirects.hosts": "SEGFORMER_REDIRECTS",
  "redirects.max": "SEGFORMER_MAX_REDIRECTS",
  stretch: "--stretch",
  stride: "--stride",
  threshold: "--threshold",
  transposed: "SEGFORMER_TRANSPOSED"
}

/** Of a mask of one class: `binary: true`, `oneClass: { classId }`. */
const binary = /^(?:binary|oneClass): (?:(true)|(false)|\{ (.+) \})$/

/** What an option is to the command; `undefined` where it is none, such as a field of an answer or a word to type. */
export const ofOption = (name: string): string | undefined => {
  const [, on, off, fields] = binary.exec(name) ?? []
  if (on !== undefined) return "SEGFORMER_BINARY=on"
  if (off !== undefined) return "SEGFORMER_BINARY=off"
  if (fields !== undefined) {
    const json = fields.split(", ").map((field) => `"${field}": …`)
    return `SEGFORMER_BINARY='{${json.join(", ")}}'`
  }
  return Object.hasOwn(options, name) ? options[name] : undefined
}

/** The text in the words of the command. */
export const plain = (text: string): string =>
  phrases
    .reduce((all, [said, meant]) => all.replaceAll(said, meant), text)
    .replaceAll(/`([^`\n]{1,60})`/g, (whole, name: string) => ofOption(name) ?? whole)
