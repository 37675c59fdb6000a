// graphql-sse in its distinct connections mode: every kind of operation as an event stream.
import { createClient } from 'graphql-sse';
import { codesOf, firstOf, story, tell, url } from './story.mjs';

await tell(async () => {
  const client = createClient({ url, retryAttempts: 0 });
  const result = (query, variables) => firstOf((sink) => client.subscribe({ query, variables }, sink));
  const run = async (query, variables) => (await result(query, variables)).data;
  const refused = async (query) => codesOf((await result(query)).errors);
  return story({ ask: run, change: run, follow: run, refused });
});
