// Relay: documents compiled by relay-compiler against schema.graphql, run by relay-runtime's network and store.
import { createRequire } from 'node:module';
import path from 'node:path';
import { createClient } from 'graphql-ws';
import { firstOf, given, socketUrl, story, tell, url, webSocketImpl } from './story.mjs';

const require = createRequire(import.meta.url);
const relay = require('relay-runtime');
const artifact = (name) => require(path.resolve(given.artifacts, `${name}.graphql.js`));

await tell(async () => {
  const sockets = createClient({ url: socketUrl, webSocketImpl, retryAttempts: 0 });
  const fetched = async ({ text }, variables) => {
    const headers = { accept: 'application/graphql-response+json', 'content-type': 'application/json' };
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query: text, variables }) });
    return response.json();
  };
  const followed = ({ text, name }, variables) =>
    relay.Observable.create((sink) => sockets.subscribe({ query: text, operationName: name, variables }, sink));
  const environment = new relay.Environment({
    network: relay.Network.create(fetched, followed),
    store: new relay.Store(new relay.RecordSource()),
  });
  const change = (mutation, variables) =>
    new Promise((resolve, reject) => {
      const onCompleted = (data, errors) => (errors ? reject(errors) : resolve(data));
      relay.commitMutation(environment, { mutation, variables, onCompleted, onError: reject });
    });
  const follow = (subscription, variables) =>
    firstOf(({ next, error }) => {
      const request = { subscription, variables, onNext: next, onError: error };
      const { dispose } = relay.requestSubscription(environment, request);
      return () => setTimeout(dispose);
    });
  return story({
    ask: (_, variables) => relay.fetchQuery(environment, artifact('documentsAvailableQuery'), variables).toPromise(),
    change: (_, variables) => change(artifact('documentsAdjustMutation'), variables),
    follow: (_, variables) => follow(artifact('documentsChangedSubscription'), variables),
  });
});
