/** Clients of others. */
import type { Peer } from "../Peer.ts"
import * as Curl from "./Curl.ts"
import * as HuggingFace from "./HuggingFace.ts"
import * as Npm from "./Npm.ts"
import * as Replicate from "./Replicate.ts"
import * as Roboflow from "./Roboflow.ts"
import * as Triton from "./Triton.ts"

export const rows: ReadonlyArray<Peer> = [
  ...HuggingFace.rows,
  ...Triton.rows,
  ...Replicate.rows,
  ...Roboflow.rows,
  ...Npm.rows,
  Curl.peer
]
