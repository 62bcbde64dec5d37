/** `segformer serve`: its flags and help. */
import { Config, Duration, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as Dialects from "../server/dialects/Dialects.ts"
import { defaults } from "../server/ServerLimits.ts"
import * as Flags from "./Flags.ts"

const standard: ReadonlyArray<string> = ["inspection"]
const listed = Dialects.names.join(", ")

const protocol = (text: string): Option.Option<ReadonlyArray<string>> => {
  const named = text.split(",").map((name) => name.trim())
  const wanted = named.includes("all") ? Dialects.names : named
  return wanted.every((name) => Dialects.names.includes(name)) ? Option.some(wanted) : Option.none()
}

const objects = (text: string): Option.Option<"region" | "class"> =>
  text === "region" || text === "class" ? Option.some(text) : Option.none()

/** What the environment says where the command line says nothing: `SEGFORMER_SERVE_PORT` for `--port`. */
const orVariable = <B>(flag: string, config: (name: string) => Config.Config<B>) =>
  Flags.orVariable(flag, `SEGFORMER_SERVE_${flag.toUpperCase().replaceAll("-", "_")}`, config)
const text = (name: string) => Flag.String(name).pipe(orVariable(name, Config.String))
const whole = (name: string) => Flag.Int(name).pipe(orVariable(name, Config.Int))
const path = (name: string, kind: "file" | "directory") =>
  Flags.path(name, kind).pipe(orVariable(name, Config.String))
const switched = (name: string) => Flag.Boolean(name).pipe(orVariable(name, Config.Boolean))
const count = (name: string, least = 1) => whole(name).pipe(Flags.atLeast(least))

const timeout = Duration.toSeconds(defaults.timeout)
const drain = Duration.toSeconds(defaults.drain)

const flags = {
  host: text("host").pipe(
    Flag.withDescription(
      "Address to listen at. 127.0.0.1 by default: this machine only; 0.0.0.0 for all, which needs tokens"
    ),
    Flag.withDefault("127.0.0.1")
  ),
  port: whole("port").pipe(
    Flag.withAlias("p"),
    Flags.isPort,
    Flag.withDescription("Port to listen at; 0 for any that is free. 8080 by default"),
    Flag.withDefault(8080)
  ),
  model: Flags.path("model").pipe(
    Flag.withAlias("m"),
    Flag.withMetavar("[NAME=]MODEL"),
    Flag.withDescription(
      "A model folder, an .onnx file or an id of the Hugging Face Hub. By default the model in this package. Several " +
        "times for several models, each with the name that requests call it by; the first is asked where none is named"
    ),
    Flag.atLeast(0)
  ),
  ...Flags.remote,
  ...Flags.local,
  palette: Flags.palette,
  url: Flags.url.pipe(
    Flag.withDescription(
      "Pass images on to this service, instead of a model here; SEGFORMER_SERVICE_URL says it too"
    )
  ),
  protocol: text("protocol").pipe(
    Flag.withMetavar("NAMES"),
    Flag.withDescription(
      `Protocols to answer in besides /v1, with commas between: ${listed}; or all. Where several have a path, such as ` +
        "/health, the first one named has it. inspection by default"
    ),
    Flag.filterMap(protocol, (given) => `one or more of ${listed}, or all, and not "${given}"`),
    Flag.withDefault(standard)
  ),
  pictures: path("pictures", "directory").pipe(
    Flag.withMetavar("FOLDER"),
    Flag.withDescription(
      "Pictures that requests to imageprocessing may name; its results go to the folder's processed. None by default: " +
        "requests bring their pictures along"
    ),
    Flags.optional
  ),
  labelStudio: text("label-studio").pipe(
    Flag.filterMap(
      (given) =>
        URL.canParse(given) && /^https?:$/.test(new URL(given).protocol)
          ? Option.some(new URL(given))
          : Option.none(),
      (given) => `an address such as http://localhost:8080, and not "${given}"`
    ),
    Flag.withMetavar("URL"),
    Flag.withDescription(
      "Where Label Studio is found from here, for the pictures that it keeps; LABEL_STUDIO_URL says it too. Its key is LABEL_STUDIO_API_KEY"
    ),
    Flags.optional
  ),
  imagesFrom: text("images-from").pipe(
    Flag.withMetavar("HOSTS"),
    Flag.withDescription(
      "Hosts that Label Studio's tasks may name pictures of, with commas between: example.com, nas:8000, *.example.com, or * for all " +
        "that are public. Label Studio's own alone by default"
    ),
    Flags.optional
  ),
  objects: text("objects").pipe(
    Flag.filterMap(objects, (given) => `region or class, and not "${given}"`),
    Flag.withMetavar("region|class"),
    Flag.withDescription(
      "What annotation tools get a mask of: each region, or all regions of a class together. region by default"
    ),
    Flags.optional
  ),
  minArea: count("min-area").pipe(
    Flag.withMetavar("PIXELS"),
    Flag.withDescription("Regions of fewer pixels are left out of what annotation tools get. 1 by default"),
    Flags.optional
  ),
  tolerance: Flag.Finite("tolerance").pipe(
    orVariable("tolerance", Config.Finite),
    Flags.atLeast(0, "a number"),
    Flag.withMetavar("PIXELS"),
    Flag.withDescription(
      "How far outlines may be moved to save points, in polygons for annotation tools. Exact by default"
    ),
    Flags.optional
  ),
  name: text("name").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription(
      "What requests call the model, in protocols where they name one. The model's own name by default; " +
        "segformer is understood as well"
    ),
    Flags.optional
  ),
  tokenFile: path("token-file", "file").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(
      "Tokens, one a line: whoever sends one, as bearer token or as password, may come in. SEGFORMER_SERVE_TOKENS holds them too, with commas between"
    ),
    Flags.optional
  ),
  allowAnyone: switched("allow-anyone").pipe(
    Flag.withDescription("Listen for others without asking for a token, and answer to any host name"),
    Flag.withDefault(false)
  ),
  allowFrom: text("allow-from").pipe(
    Flag.withMetavar("ADDRESSES"),
    Flag.withDescription(
      "Who may come in without a token, with commas between: addresses, networks (172.16.0.0/12, Docker's) or loopback. For tools " +
        "that send none, such as CVAT. Others need a token, or are refused where there are none. Nobody by default"
    ),
    Flags.optional
  ),
  trustProxy: text("trust-proxy").pipe(
    Flag.withMetavar("ADDRESSES"),
    Flag.withDescription(
      "Proxies before this server, with commas between: addresses, networks (10.0.0.0/8) or loopback. What they say in " +
        "X-Forwarded-For, or else in Forwarded, of where a request comes from is believed, and limits by address go by it. None by default"
    ),
    Flags.optional
  ),
  cors: text("cors").pipe(
    Flag.withMetavar("ORIGINS"),
    Flag.withDescription(
      "Origins whose pages may ask, with commas between: https://app.example, or * for all. None by default: pages of others " +
        "may change nothing here, and read nothing"
    ),
    Flags.optional
  ),
  concurrency: count("concurrency").pipe(
    Flag.withAlias("c"),
    Flag.withMetavar("IMAGES"),
    Flag.withDescription(`Images worked on at once. ${defaults.concurrency} by default`),
    Flags.optional
  ),
  sessions: count("sessions").pipe(
    Flag.withDescription("Copies of each model that run side by side. 1 by default"),
    Flags.optional
  ),
  confidence: switched("confidence").pipe(
    Flag.withDescription(
      "Models here say how sure they are of each pixel, which the page shows. On by default; --no-confidence saves about half their time"
    ),
    Flags.optional
  ),
  queue: count("queue", 0).pipe(
    Flag.withMetavar("REQUESTS"),
    Flag.withDescription(
      `Requests that may wait; one more is refused with 503. ${defaults.queue} by default`
    ),
    Flag.withDefault(defaults.queue)
  ),
  cache: Flag.String("cache").pipe(
    orVariable("cache", Config.String),
    Flag.withMetavar("BYTES"),
    Flag.filterMap(
      (given) => (given === "0" ? Option.some(0) : Flags.parseBytes(given)),
      () => "a size such as 512k or 64M, or 0 for none"
    ),
    Flag.withDescription("Results kept in memory for images that come again; 0 for none. 64M by default"),
    Flag.withDefault(64 * 1024 * 1024)
  ),
  jobs: path("jobs", "directory").pipe(
    Flag.withMetavar("FOLDER"),
    Flag.withDescription(
      "Where jobs of /v1/jobs are kept, so that they survive a restart. A temporary folder by default"
    ),
    Flags.optional
  ),
  ...Flags.limitsBy(text, count),
  timeout: count("timeout").pipe(
    Flag.withMetavar("SECONDS"),
    Flag.withDescription(`Time for one image, from its turn to its answer. ${timeout} by default`),
    Flag.withDefault(timeout)
  ),
  drain: count("drain").pipe(
    Flag.withMetavar("SECONDS"),
    Flag.withDescription(
      `Time for requests under way to finish when the server is to stop. ${drain} by default`
    ),
    Flag.withDefault(drain)
  ),
  noPage: switched("no-page").pipe(Flag.withDescription("Leave out the page at /"), Flag.withDefault(false))
}

const modelsOnly = "is for models here, and not for a service: leave it, or its variable, out"

export type Options = Command.Command.Config.Infer<typeof flags>

export const faults = (options: Options): Flags.Faults => [
  ...Flags.backendFaults(options),
  ...(options.name !== undefined && /^[\w.-]+=./.test(options.model[0] ?? "")
    ? ["--name and the NAME of --model NAME=MODEL say the same: give one of them"]
    : []),
  ...(!Flags.isRemote(options)
    ? []
    : [
        ...Flags.ignored(options, ["sessions", "confidence"], modelsOnly),
        ...(options.confidence === false ? [`--no-confidence ${modelsOnly}`] : [])
      ]),
  ...(options.protocol.includes("imageprocessing")
    ? []
    : Flags.ignored(options, ["pictures"], "is for imageprocessing: add --protocol imageprocessing")),
  ...(options.protocol.includes("labelstudio")
    ? []
    : Flags.ignored(
        options,
        ["labelStudio", "imagesFrom"],
        "is for Label Studio: add --protocol labelstudio"
      )),
  ...(options.protocol.includes("labelstudio") || options.protocol.includes("cvat")
    ? []
    : Flags.ignored(
        options,
        ["objects", "minArea", "tolerance"],
        "is for annotation tools: add --protocol labelstudio or cvat"
      ))
]

export const command = Command.make("serve", flags).pipe(
  Command.withShortDescription("Serve a model over HTTP"),
  Command.withDescription(
    "Serve the model in this package, others, or another service: with a page at /, an API at /v1 (described at /docs), " +
      "and in the protocols that other people's clients speak. Each flag but those of who segments may be set in the environment " +
      "too: SEGFORMER_SERVE_PORT for --port. SIGTERM and Ctrl-C let requests under way finish."
  ),
  Command.withExamples([
    { command: "segformer serve", description: "On this machine only, at http://127.0.0.1:8080" },
    {
      command: "segformer serve --host 0.0.0.0 --port 9000 --token-file tokens.txt --model ./models/panels",
      description: "For others, with a model of one's own"
    },
    {
      command: "segformer serve --model small=./models/b0 --model large=./models/b5",
      description: "Two models, as /v1/segment?model=large"
    },
    { command: "curl --data-binary @panel.png http://127.0.0.1:8080/v1/segment", description: "Ask it" },
    {
      command: "segformer serve --protocol labelstudio --label-studio http://localhost:8080 --port 9090",
      description: "For Label Studio, whose key is LABEL_STUDIO_API_KEY"
    },
    {
      command: "segformer serve --protocol cvat --host 0.0.0.0 --allow-from 172.16.0.0/12",
      description: "For CVAT in Docker, which sends no token"
    },
    {
      command: "segformer serve --protocol huggingface,openinference",
      description: "For clients of Hugging Face, Triton and KServe"
    }
  ])
)
