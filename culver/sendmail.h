/*
 * sendmail - the classic command: a message on standard input, handed to submit(8)
 */
#ifndef CULVER_SENDMAIL_H
#define CULVER_SENDMAIL_H

/* sendmail_main - the whole command; the exit status (sysexits.h) */
int sendmail_main(int argc, char **argv);
/* sendmail_rmail - mail of UUCP: the sender stands in the lines `From` before the header (rmail(8)) */
int sendmail_rmail(int argc, char **argv);

/* statuses besides those of common/system/fatal.h; scripts know them */
enum sendmail_status {
	SENDMAIL_USAGE = 64,
	SENDMAIL_DATA = 65,    /* the message, or an address in it, is not to be taken */
	SENDMAIL_NO_USER = 67, /* a recipient was refused */
	SENDMAIL_INPUT = 74,   /* standard input cannot be read */
};

#endif
