/** A question to `/v1`. */
export interface Asked {
  /** With the query, relative to the page. */
  readonly path: string
  readonly method: "GET" | "POST"
  readonly headers: Readonly<Record<string, string>>
  /** JSON, or an image file. */
  readonly body?: string | Blob | undefined
  readonly signal?: AbortSignal | undefined
}
