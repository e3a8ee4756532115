/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* system() and popen(), as they are seldom used. See hard.h. */
#include <fcntl.h>
#include <pthread.h>

#include "hard.h"

/* fclose() of what popen() opened. */
#pragma GCC diagnostic ignored "-Wmismatched-dealloc"

/* ---- signals ---- */

static volatile sig_atomic_t n_signals;
static void count_signal(int number)
{
	(void)number;
	n_signals++;
}

CASE(children_not_waited_for)
{
	(void)signal(SIGCHLD, SIG_IGN);
	result("system", system("exit 3"));
	FILE *f = popen("exit 4", "r");
	result("pclose", pclose(f));
}

CASE(child_signals_are_handled)
{
	(void)signal(SIGCHLD, count_signal);
	result("system", system("exit 3"));
	say("%d\n", (int)n_signals);
	FILE *f = popen("exit 4", "r");
	result("pclose", pclose(f));
	say("%d\n", n_signals > 0);
}

CASE(interrupt_while_a_shell_runs)
{
	(void)setpgid(0, 0);
	(void)signal(SIGINT, count_signal);
	result("system", system("kill -INT 0; kill -QUIT $PPID; exit 5"));
	say("%d\n", (int)n_signals);
	result("system", system("kill -TERM $$"));
	struct sigaction a;
	(void)sigaction(SIGINT, NULL, &a);
	say("handler %d\n", a.sa_handler == count_signal);
}

static void *one_shell(void *unused)
{
	for (int i = 0; i < 10; i++)
		(void)system("exit 6");
	return unused;
}

CASE(shells_from_threads)
{
	pthread_t t[4];
	struct sigaction a;
	(void)signal(SIGINT, count_signal);
	for (int i = 0; i < 4; i++)
		(void)pthread_create(&t[i], NULL, one_shell, NULL);
	for (int i = 0; i < 4; i++)
		(void)pthread_join(t[i], NULL);
	(void)sigaction(SIGINT, NULL, &a);
	say("handler %d\n", a.sa_handler == count_signal);
}

CASE(shell_of_nothing)
{
	result("system", system(NULL) != 0);
	result("system", system(""));
	result("system", system("-x"));
	result("system", system("exit 300"));
}

/* ---- streams ---- */

CASE(streams)
{
	char line[128] = "";
	FILE *r = popen("echo out; echo more; exit 3", "r");
	while (fgets(line, sizeof(line), r) != NULL)
		say("%s", line);
	result("pclose", pclose(r));
	FILE *w = popen("cat; exit 4", "w");
	(void)fputs("written\n", w);
	result("pclose", pclose(w));
	FILE *f = popen("exit 5", "r");
	result("fclose", fclose(f));
	result("children", waitpid(-1, NULL, WNOHANG));
	FILE *e = popen("kill -9 $$", "re");
	say("close-on-exec %d\n", fcntl(fileno(e), F_GETFD));
	result("pclose", pclose(e));
	FILE *k = popen("true", "r");
	say("kept %d\n", fcntl(fileno(k), F_GETFD));
	result("pclose", pclose(k));
}

CASE(streams_at_once)
{
	FILE *f[80];
	for (int i = 0; i < 80; i++)
		f[i] = popen("ls /proc/self/fd | wc -l; exit 9", i % 2 != 0 ? "re" : "r");
	for (int i = 0; i < 80; i++) {
		char line[32] = "";
		(void)!fgets(line, sizeof(line), f[i]);
		say("%d %s", pclose(f[i]), line);
	}
}

CASE(stream_on_closed_descriptors)
{
	char line[32] = "";
	(void)close(0);
	FILE *f = popen("cat /proc/self/comm; exit 2", "r");
	(void)!fgets(line, sizeof(line), f);
	say("%d %s", fileno(f), line);
	result("pclose", pclose(f));
	const int kept = dup(1);
	(void)close(1);
	f = popen("read line; exit 6", "w");
	(void)fputs("line\n", f);
	const int status = pclose(f);
	(void)dup2(kept, 1);
	result("pclose", status);
}

CASE(stream_to_who_has_ended)
{
	(void)signal(SIGPIPE, SIG_IGN);
	FILE *f = popen("exit 0", "w");
	(void)usleep(50000);
	(void)fputs("nobody reads this\n", f);
	errno = 0;
	const int r = pclose(f);
	say("%d %s\n", r, r < 0 ? strerrorname_np(errno) : "");
}
