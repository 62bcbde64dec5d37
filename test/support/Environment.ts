/**
 * Set-up of test files: what the environment of whoever runs them says of services, proxies and colours is for their own programs.
 * A test says itself what its programs find.
 */
for (const name of Object.keys(process.env)) {
  if (
    /^(https?|all|no)_proxy$|^(FORCE|NO)_COLOR$|^(OTEL|LABEL_STUDIO|HF)_|^SEGFORMER_(?!TEST_|BENCH_)/i.test(
      name
    )
  )
    delete process.env[name]
}
