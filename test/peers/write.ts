/** `npm run proof`: writes the tables of docs/proof.md from what `npm run test:peers` found last. */
import * as Report from "./Report.ts"
import { absent, rows } from "./rows.ts"

Report.write(Report.markdown(rows, absent, Report.read()))
