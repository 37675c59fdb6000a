// graphql-ws: every kind of operation over one WebSocket.
import { createClient } from 'graphql-ws';
import { codesOf, firstOf, socketUrl, story, tell, webSocketImpl } from './story.mjs';

await tell(async () => {
  const closes = [];
  const client = createClient({
    url: socketUrl,
    webSocketImpl,
    keepAlive: 50,
    retryAttempts: 0,
    on: { closed: (event) => closes.push(event.code) },
  });
  const run = async (query, variables) => {
    const result = await firstOf((sink) => client.subscribe({ query, variables }, sink));
    return result.data;
  };
  const refused = (query) => run(query).then(() => null, codesOf);
  const told = await story({ ask: run, change: run, follow: run, refused });
  return { ...told, closes };
});
