/* Process 1 of the virtual machine that weighs processes: mounts what is there, runs each job of /home/pi/jobs in the
   root file system, and says on the console how much memory the job had at most.

   A line of /home/pi/jobs is one job: its name, then words with "=" for its environment, then the program and its
   arguments, all separated by tabs. The console gets a line
   "job NAME STATUS KILOBYTES HEX": exit status, peak resident memory read at the moment the process ends, and what it
   wrote to its standard output. "ready" comes before the jobs and "done" behind them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS = 32, LINE = 4096, SHOWN = 64 };

static void give_up(const char *what) {
  printf("failed %s\n", what);
  fflush(stdout);
  reboot(RB_POWER_OFF);
}

static void must_mount(const char *what, const char *where, const char *kind) {
  if (mount(what, where, kind, 0, 0) != 0) give_up(where);
}

static void open_console(void) {
  const int console = open("/dev/console", O_RDWR);
  for (int i = 0; i < 3; ++i) dup2(console, i);
}

/* /modules/order names them, one a line. One that the kernel has built in is no error: a disk that is missing is. */
static void load_modules(void) {
  char name[256], path[300];
  FILE *order = fopen("/modules/order", "r");
  while (order && fscanf(order, "%255s", name) == 1) {
    snprintf(path, sizeof path, "/modules/%s", name);
    const int file = open(path, O_RDONLY);
    syscall(SYS_finit_module, file, "", 0);
    close(file);
  }
  if (order) fclose(order);
}

static void wait_for(const char *path) {
  struct stat about;
  for (int i = 0; i < 1000 && stat(path, &about) != 0; ++i) usleep(20000);
}

static void mount_all(void) {
  wait_for("/dev/vda");
  wait_for("/dev/vdb");
  must_mount("/dev/vda", "/root", "ext4");
  must_mount("/dev/vdb", "/root/home/pi", "ext4");
  must_mount("proc", "/root/proc", "proc");
  must_mount("sysfs", "/root/sys", "sysfs");
  must_mount("devtmpfs", "/root/dev", "devtmpfs");
  must_mount("tmpfs", "/root/tmp", "tmpfs");
}

/* --- one job */

static int split(char *line, char *words[WORDS + 1]) {
  int count = 0;
  for (char *word = strtok(line, "\t\n"); word && count < WORDS; word = strtok(0, "\t\n")) words[count++] = word;
  words[count] = 0;
  return count;
}

/* In the new process. words: those behind the name. */
static void become(char **words) {
  char *environment[WORDS + 1];
  int count = 0;
  while (*words && strchr(*words, '=')) environment[count++] = *words++;
  environment[count] = 0;
  if (chroot("/root") != 0 || chdir("/home/pi") != 0) _exit(126);
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(open("/tmp/out", O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
  ptrace(PTRACE_TRACEME, 0, 0, 0);
  execve(words[0], words, environment);
  _exit(127);
}

/* The number of kilobytes behind `name` in a file of a process, -1 where there is none. */
static long kilobytes_of(pid_t process, const char *file_name, const char *name) {
  char path[64], line[256];
  long kb = -1;
  snprintf(path, sizeof path, "/root/proc/%d/%s", (int)process, file_name);
  FILE *file = fopen(path, "r");
  while (file && kb < 0 && fgets(line, sizeof line, file))
    if (strncmp(line, name, strlen(name)) == 0) kb = atol(line + strlen(name));
  if (file) fclose(file);
  return kb;
}

/* Linux adds up page faults in lots of 64 (256 KB), and VmHWM lacks those of the last lot: as much as a small program
   has. What its page tables hold is exact, but only for now. The larger of the two is at most a lot too little. */
static long peak_kb(pid_t process) {
  const long peak = kilobytes_of(process, "status", "VmHWM:"), now = kilobytes_of(process, "smaps_rollup", "Rss:");
  return now < 0 ? -1 : now > peak ? now : peak;
}

/* Until it has ended: its exit status, 128 and more for a signal. It stops after exec, for signals, and before its end. */
static int watch(pid_t process, long *kb) {
  int status;
  while (waitpid(process, &status, 0) == process && WIFSTOPPED(status)) {
    long signal = WSTOPSIG(status);
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) *kb = peak_kb(process);
    if (signal == SIGTRAP) {
      ptrace(PTRACE_SETOPTIONS, process, 0, (void *)(long)PTRACE_O_TRACEEXIT);
      signal = 0;
    }
    ptrace(PTRACE_CONT, process, 0, (void *)signal);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void print_output(void) {
  FILE *file = fopen("/root/tmp/out", "rb");
  for (int i = 0, c; file && i < SHOWN && (c = fgetc(file)) != EOF; ++i) printf("%02x", (unsigned)c);
  if (file) fclose(file);
}

static void run_job(char **words) {
  long kb = -1;
  const pid_t process = fork();
  if (process == 0) become(words + 1);
  const int status = watch(process, &kb);
  printf("job %s %d %ld ", words[0], status, kb);
  print_output();
  printf("\n");
  fflush(stdout);
}

int main(void) {
  char line[LINE], *words[WORDS + 1];
  must_mount("devtmpfs", "/dev", "devtmpfs");
  open_console();
  load_modules();
  mount_all();
  FILE *jobs = fopen("/root/home/pi/jobs", "r");
  if (jobs == 0) give_up("jobs");
  printf("ready\n");
  fflush(stdout);
  while (fgets(line, sizeof line, jobs))
    if (split(line, words) > 1) run_job(words);
  printf("done\n");
  fflush(stdout);
  sync();
  reboot(RB_POWER_OFF);
  return 0;
}
