// graphql-http: its client over HTTP, and all of its audits of the GraphQL-over-HTTP specification.
import { createClient } from 'graphql-http';
import { serverAudits } from 'graphql-http';
import { ADJUST, AVAILABLE, BROKEN } from './documents.mjs';
import { adjustment, codesOf, firstOf, given, skus, tell, url } from './story.mjs';

async function asked() {
  const client = createClient({ url });
  const run = (query, variables) => firstOf((sink) => client.subscribe({ query, variables }, sink));
  const before = await run(AVAILABLE, skus);
  const changes = [await run(ADJUST, adjustment), await run(ADJUST, adjustment)];
  return {
    before: before.data.availability[0].availableQuantity,
    replayed: changes.map((change) => change.data.inventoryAdjust.replayed),
    // Its manual: a response that is not 2xx is an error, which carries the response.
    codes: codesOf((await run(BROKEN).catch((error) => error.response.json())).errors),
  };
}

async function audited() {
  const results = await Promise.all(serverAudits({ url }).map((audit) => audit.fn()));
  const bad = results.filter((result) => result.status !== 'ok');
  return {
    passed: results.length - bad.length,
    failed: bad.map(({ id, name, status, reason }) => `${id} ${status}: ${name} (${reason})`),
  };
}

await tell(given.sku ? asked : audited);
