// A client of its own process, which its parent kills: it says what shall happen then, and waits.

import { initializeApp } from 'firebase/app';
import { connectDatabaseEmulator, getDatabase, onDisconnect, ref, set } from 'firebase/database';

const [host, port, project] = process.argv.slice(2);
const database = getDatabase(initializeApp({ projectId: project, databaseURL: `http://${host}:${port}?ns=${project}` }));
connectDatabaseEmulator(database, host, Number(port));
await set(ref(database, 'killed/online'), true);
await onDisconnect(ref(database, 'killed/online')).set(false);
console.log('online');
