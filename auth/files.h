/*
 * files - sqlite, held to one directory
 *
 * auth is shut up in a room that has no file; what it may read it reaches by the descriptor of a directory, opened before.  sqlite knows paths
 * alone.  So its calls for paths are replaced: "/accounts.db" is that file below the directory.  That is done through the table of
 * system calls of sqlite's own "unix" files (sqlite3_vfs.xSetSystemCall), and looked at: where one cannot be replaced, auth does not start.
 */
#ifndef AUTH_FILES_H
#define AUTH_FILES_H

/* files_hold - from now on, and for good; fatal() when this sqlite has no such call; `directory` stays open */
void files_hold(int directory);

#endif
