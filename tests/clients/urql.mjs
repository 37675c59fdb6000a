// urql: queries and mutations over HTTP, subscriptions over WebSocket (`ws`) or as an event stream (`sse`).
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import { codesOf, given, socketUrl, story, tell, url, webSocketImpl } from './story.mjs';

function overSocket() {
  const sockets = createClient({ url: socketUrl, webSocketImpl, retryAttempts: 0 });
  return subscriptionExchange({
    forwardSubscription: (request) => ({
      subscribe: (sink) => ({ unsubscribe: sockets.subscribe({ ...request, query: request.query ?? '' }, sink) }),
    }),
  });
}

await tell(async () => {
  const isByEvents = given.transport === 'sse';
  const client = new Client({
    url,
    preferGetMethod: false,
    fetchSubscriptions: isByEvents,
    exchanges: isByEvents ? [fetchExchange] : [overSocket(), fetchExchange],
  });
  const data = (result) => {
    if (result.error) throw result.error;
    return result.data;
  };
  const first = (source) =>
    new Promise((resolve, reject) => {
      const { unsubscribe } = source.subscribe((result) => {
        if (result.error) reject(result.error);
        resolve(result.data);
        setTimeout(() => unsubscribe());
      });
    });
  return story({
    ask: async (query, variables) => data(await client.query(query, variables)),
    change: async (query, variables) => data(await client.mutation(query, variables)),
    follow: (query, variables) => first(client.subscription(query, variables)),
    refused: async (query) => codesOf((await client.query(query, {})).error.graphQLErrors),
  });
});
