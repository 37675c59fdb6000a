// Apollo Client: queries and mutations over HTTP (by POST; or queries by GET, in full or by their hash), subscriptions
// over WebSocket.
import { createHash } from 'node:crypto';
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { OperationTypeNode } from 'graphql';
import { createClient } from 'graphql-ws';
import { codesOf, given, socketUrl, story, tell, url, webSocketImpl } from './story.mjs';

await tell(async () => {
  const sockets = new GraphQLWsLink(createClient({ url: socketUrl, webSocketImpl, retryAttempts: 0 }));
  const plain = new HttpLink({ uri: url, useGETForQueries: given.method === 'GET' });
  const sha256 = (text) => createHash('sha256').update(text).digest('hex');
  const byHash = new PersistedQueryLink({ sha256, useGETForHashedQueries: true });
  const http = given.method === 'hash' ? byHash.concat(plain) : plain;
  const isSubscription = ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION;
  const client = new ApolloClient({
    link: ApolloLink.split(isSubscription, sockets, http),
    cache: new InMemoryCache(),
    defaultOptions: { query: { fetchPolicy: 'no-cache' } },
  });
  const first = (observable) =>
    new Promise((resolve, reject) => {
      const subscription = observable.subscribe({
        next: (result) => {
          if (result.error) reject(result.error);
          resolve(result.data);
          setTimeout(() => subscription.unsubscribe());
        },
        error: reject,
      });
    });
  return story({
    ask: async (query, variables) => (await client.query({ query: gql(query), variables })).data,
    change: async (query, variables) => (await client.mutate({ mutation: gql(query), variables })).data,
    follow: (query, variables) => first(client.subscribe({ query: gql(query), variables })),
    refused: (query) => client.query({ query: gql(query) }).then(() => null, (error) => codesOf(error.errors)),
  });
});
