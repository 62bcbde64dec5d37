/**
 * Files that are sent ahead of a prediction, as Replicate's client does with a Blob: `POST /v1/files`, then the address that
 * was answered in the prediction's input. They are in memory, each its caller's, until newer ones need the room or an hour is over.
 */
import { Clock, Effect } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { randomHex } from "../../../randomHex.ts"
import * as Bodies from "../../Bodies.ts"
import { type DialectRoute, get, post, type Served } from "../../Dialect.ts"
import * as JsonPieces from "../../JsonPieces.ts"
import * as Outside from "../../Outside.ts"
import * as Refusals from "../../Refusal.ts"
import { currentSubject } from "../../Security.ts"
import * as Hashing from "../../../jobs/Hashing.ts"

interface Kept {
  readonly id: string
  readonly owner: string | undefined
  readonly name: string
  readonly bytes: Uint8Array
  /** SHA-256, in hexadecimal. */
  readonly digest: string
  readonly created: number
}

/** How long a file is kept, in milliseconds. */
const keptFor = 60 * 60 * 1000

export interface ReplicateFiles {
  readonly routes: ReadonlyArray<DialectRoute>
  /** The bytes of a file of the caller, where an address is that of one; `undefined` for any other address. */
  readonly find: (address: string) => Effect.Effect<Uint8Array | undefined, Refusals.Refusal>
}

const gone = Refusals.notFound("There is no file of this id. Older ones make room for newer")

export const make = (served: Served): ReplicateFiles => {
  const files = new Map<string, Kept>()
  /** Bytes of all of them: as many as one request may have. */
  const most = served.limits.maxRequestBytes

  /** Clients check that each of these is there. */
  const described = (
    request: HttpServerRequest.HttpServerRequest,
    { bytes, created, digest, id, name }: Kept
  ) => ({
    id,
    name,
    content_type: "application/octet-stream",
    size: bytes.length,
    etag: digest,
    checksums: { sha256: digest },
    metadata: {},
    created_at: new Date(created).toISOString(),
    expires_at: new Date(created + keptFor).toISOString(),
    urls: { get: `${Outside.addressOf(request)}/v1/files/${id}` }
  })

  const makeRoom = (now: number, bytes: number) => {
    let total = bytes
    // The newest first: what no longer fits goes, and so does what is too old.
    for (const file of [...files.values()].toReversed()) {
      total += file.bytes.length
      if (total > most || now - file.created > keptFor) files.delete(file.id)
    }
  }

  const find = Effect.fnUntraced(function* (id: string) {
    const file = files.get(id)
    const isOwn = file !== undefined && file.owner === (yield* currentSubject)
    return isOwn ? file : yield* gone
  })

  return {
    find: (address) => {
      const id = /\/v1\/files\/([0-9a-f]{26})(?:\/download)?(?:\?[^/]*)?$/.exec(address)?.[1]
      return id === undefined ? Effect.succeed(undefined) : Effect.map(find(id), ({ bytes }) => bytes)
    },
    routes: [
      post(
        "/v1/files",
        Effect.fnUntraced(function* (request) {
          const { bytes, name } = yield* Bodies.takeImage(served, request, "content", true)
          const created = yield* Clock.currentTimeMillis
          makeRoom(created, bytes.length)
          const digest = yield* Hashing.sha256(bytes)
          const file: Kept = { id: randomHex(13), owner: yield* currentSubject, name, bytes, digest, created }
          files.set(file.id, file)
          return JsonPieces.json(described(request, file), 201)
        })
      ),
      {
        method: "DELETE",
        path: "/v1/files/:id",
        handle: (_, { id = "" }) =>
          Effect.map(find(id), (file) => {
            files.delete(file.id)
            return HttpServerResponse.empty({ status: 204 })
          })
      },
      get("/v1/files", (request) =>
        Effect.map(currentSubject, (subject) =>
          JsonPieces.json({
            previous: null,
            next: null,
            results: [...files.values()]
              .filter(({ owner }) => owner === subject)
              .toReversed()
              .map((file) => described(request, file))
          })
        )
      ),
      get("/v1/files/:id", (request, { id = "" }) =>
        Effect.map(find(id), (file) => JsonPieces.json(described(request, file)))
      )
    ]
  }
}
