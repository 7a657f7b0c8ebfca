/* The one program of the test image: plays a container as its arguments say. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void stop(int signal) {
  (void)signal;
  _exit(143);
}

static int listen_on(int port, const char *status) {
  int server = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 64)) return 1;
  for (;;) {
    char request[4096], host[256] = "", answer[512];
    int client = accept(server, 0, 0);
    if (client < 0) continue;
    if (read(client, request, sizeof request) > 0) {
      gethostname(host, sizeof host - 1);
      int length = snprintf(answer, sizeof answer,
          "HTTP/1.1 %s OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status, strlen(host), host);
      if (write(client, answer, length) < 0) perror("write");
    }
    close(client);
  }
}

/* A connection to the container that the path of a request names, /billing/…; -1 where there is none. */
static int named(const char *request) {
  char name[64] = "";
  struct addrinfo hint = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
  if (sscanf(request, "%*[A-Z] /%63[a-z0-9-]", name) != 1 || getaddrinfo(name, "8080", &hint, &found)) return -1;
  int server = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(server, found->ai_addr, found->ai_addrlen)) close(server), server = -1;
  freeaddrinfo(found);
  return server;
}

/* Hands each request to the container it names; 503 where none answers, as a real proxy does. */
static int proxy_on(int port) {
  const char *none = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  int server = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 64)) return 1;
  for (;;) {
    char piece[4096];
    int client = accept(server, 0, 0);
    ssize_t length = client < 0 ? 0 : read(client, piece, sizeof piece - 1);
    if (length > 0) {
      piece[length] = 0;
      int behind = named(piece);
      if (behind < 0) length = write(client, none, strlen(none));
      else if (write(behind, piece, length) > 0)
        while ((length = read(behind, piece, sizeof piece)) > 0)
          if (write(client, piece, length) < 0) break;
      if (behind >= 0) close(behind);
    }
    if (client >= 0) close(client);
  }
}

/* How the way to a port of a name ends: its address, `refused at` it, or nobody knows the name. */
static int reach(const char *name, const char *port) {
  struct addrinfo hint = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
  if (getaddrinfo(name, port, &hint, &found)) return printf("unknown\n") < 0;
  int client = socket(AF_INET, SOCK_STREAM, 0);
  const char *how = connect(client, found->ai_addr, found->ai_addrlen) ? "refused at" : "reached";
  return printf("%s %s\n", how, inet_ntoa(((struct sockaddr_in *)found->ai_addr)->sin_addr)) < 0;
}

static int write_to(const char *path, const char *how, const char *text) {
  FILE *file = fopen(path, how);
  if (!file) return 1;
  fputs(text, file);
  return fclose(file);
}

static int show(const char *path) {
  char piece[4096];
  FILE *file = fopen(path, "r");
  for (size_t length; file && (length = fread(piece, 1, sizeof piece, file)) > 0;)
    fwrite(piece, 1, length, stdout);
  return file ? fclose(file) : 1;
}

/* Writes what it reads into a file, so many milliseconds after each piece, and ends with this code. */
static int pour(const char *path, int code, int delay) {
  char piece[4096];
  FILE *file = fopen(path, "w");
  if (!file) return 1;
  for (ssize_t length; (length = read(0, piece, sizeof piece)) > 0; usleep(1000 * delay)) {
    fwrite(piece, 1, length, file);
    fflush(file);
  }
  if (code) fprintf(stderr, "row 7 is wrong\n");
  return fclose(file) ? 1 : code;
}

/* Reads one message with the body that it announces into a buffer; its length, 0 at the end, -1 where it breaks off. */
static ssize_t message(int from, char *into, size_t size) {
  size_t length = 0;
  for (;;) {
    ssize_t more = read(from, into + length, size - 1 - length);
    if (more <= 0) return length == 0 && more == 0 ? 0 : -1;
    into[length += more] = 0;
    char *end = strstr(into, "\r\n\r\n"), *announced = strcasestr(into, "\r\nContent-Length:");
    if (!end) continue;
    size_t body = announced && announced < end ? strtoul(announced + 17, 0, 10) : 0;
    if (length >= (size_t)(end + 4 - into) + body) return length;
    if (length == size - 1) return -1;
  }
}

static volatile sig_atomic_t leaving;

static void leave(int signal) {
  leaving = signal;
}

/* The file of an application that keeps what it is sent, and how often it writes each body into it. */
static const char *book;
static int entries;

/* Writes a request's body into the book, and gives what stands in it then. */
static const char *entered(const char *request, char *into, size_t size) {
  for (int i = 0; i < entries && strstr(request, "\r\n\r\n")[4]; i++) write_to(book, "a", strstr(request, "\r\n\r\n") + 4);
  FILE *file = fopen(book, "r");
  into[file ? fread(into, 1, size - 1, file) : 0] = 0;
  if (file) fclose(file);
  return into;
}

/* An application: answers each request, with its body or without, by one word or its book; after so many milliseconds.
   Told to stop, it answers whoever is there, and goes. */
static int serve_on(int port, const char *word, int delay) {
  int server = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  signal(SIGCHLD, SIG_IGN);
  signal(SIGTERM, leave);
  siginterrupt(SIGTERM, 1);
  if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 256)) return 1;
  for (;;) {
    if (leaving) fcntl(server, F_SETFL, O_NONBLOCK);
    int client = accept(server, 0, 0);
    if (client < 0 && leaving) {
      close(server);
      while (wait(0) > 0) {}
      return 143;
    }
    if (client < 0) continue;
    if (fork()) {
      close(client);
      continue;
    }
    char request[8192] = "", answer[512], held[300] = "";
    if (message(client, request, sizeof request) > 0) {
      if (delay) usleep(1000 * delay);
      if (book) word = entered(request, held, sizeof held);
      int length = snprintf(answer, sizeof answer,
          "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", strlen(word), word);
      if (write(client, answer, length) < 0) perror("write");
    }
    _exit(0);
  }
}

/* An application with a fault: requests with this word get the wrong sum where a variable and a file have these contents,
   all others the right one. It prints the line of each request. */
static int fault_on(int port, char **when) {
  const char *variable = when[0], *value = when[1], *path = when[2], *content = when[3], *word = when[4];
  int server = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 64)) return 1;
  for (;;) {
    char request[8192], held[256] = "", answer[512];
    int client = accept(server, 0, 0);
    if (client < 0) continue;
    if (message(client, request, sizeof request) > 0) {
      FILE *file = fopen(path, "r");
      if (file && (!fgets(held, sizeof held, file) || fclose(file))) held[0] = 0;
      request[strcspn(request, "\r")] = 0;
      printf("asked %s\n", request);
      const char *own = getenv(variable);
      int is_wrong = own && !strcmp(own, value) && !strcmp(held, content) && strstr(request, word);
      const char *sum = is_wrong ? "wrong" : "right";
      int length = snprintf(answer, sizeof answer,
          "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", strlen(sum), sum);
      if (write(client, answer, length) < 0) perror("write");
    }
    close(client);
  }
}

/* What load came to, for all processes. */
struct counts {
  volatile unsigned requests, failed, mixed;
  char first[200];
};

static int connected(const struct sockaddr_in6 *to) {
  int server = socket(to->sin6_family, SOCK_STREAM, 0);
  struct timeval limit = {.tv_sec = 30};
  setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (!connect(server, (const struct sockaddr *)to, sizeof *to)) return server;
  close(server);
  return -1;
}

/* One client: GET, and POST in turn, over one connection as long as it is kept, or each over a new one. Every answer that is
   not 200, and every connection that ends without one, has failed. X-Want says what the proxy's own applications answer. */
static void client(const struct sockaddr_in6 *to, const char *until, int keeps, int posts, struct counts *counts) {
  int server = -1;
  for (unsigned turn = 0; access(until, F_OK); turn++) {
    const char *ask = keeps ? "keep-alive" : "close", *why = 0;
    int again = server >= 0;
    struct timespec begun, ended;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    char request[300], answer[8192], want[64] = "";
    int length = snprintf(request, sizeof request,
        posts && turn % 2 ? "POST /billing HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\nContent-Length: 4\r\n\r\nsold"
                 : "GET /billing HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\n\r\n", ask);
    if (server < 0 && (server = connected(to)) < 0) why = "no connection";
    else if (write(server, request, length) != length) why = "not written";
    else {
      ssize_t got = message(server, answer, sizeof answer);
      if (got <= 0) why = got ? "broken off" : "closed without an answer";
      else if (strncmp(answer, "HTTP/1.1 200", 12)) why = answer;
    }
    __sync_fetch_and_add(&counts->requests, 1);
    if (why) {
      int error = errno;
      clock_gettime(CLOCK_MONOTONIC, &ended);
      long took = (ended.tv_sec - begun.tv_sec) * 1000 + (ended.tv_nsec - begun.tv_nsec) / 1000000;
      if (!__sync_fetch_and_add(&counts->failed, 1))
        snprintf(counts->first, sizeof counts->first, "%.23s over a %s connection after %ld ms (%s)", why,
            again ? "kept" : "new", took, strerror(error));
    } else {
      char *header = strcasestr(answer, "\r\nX-Want: "), *body = strstr(answer, "\r\n\r\n") + 4;
      if (header) sscanf(header + 10, "%63s", want);
      if (header && strcmp(want, body)) __sync_fetch_and_add(&counts->mixed, 1);
    }
    if (why || !keeps || strcasestr(answer, "\r\nConnection: close")) close(server), server = -1;
    usleep(5000);
  }
  _exit(0);
}

/* Load on an address until a file is there: so many clients that keep their connection, and as many that do not. How far
   they are can be read meanwhile in another file. */
static int load(const char *address, int port, const char *until, const char *meanwhile, int clients, int posts) {
  struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  struct sockaddr_in *short_to = (struct sockaddr_in *)&to;
  if (!inet_pton(AF_INET6, address, &to.sin6_addr)) {
    to.sin6_family = AF_INET;
    inet_pton(AF_INET, address, &short_to->sin_addr);
  }
  int file = open(meanwhile, O_RDWR | O_CREAT, 0644);
  if (file < 0 || ftruncate(file, sizeof(struct counts))) return 1;
  struct counts *counts = mmap(0, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (counts == MAP_FAILED) return 1;
  signal(SIGPIPE, SIG_IGN);
  for (int i = 0; i < 2 * clients; i++)
    if (!fork()) client(&to, until, i % 2, posts, counts);
  while (wait(0) > 0) {}
  for (char *c = counts->first; *c; c++)
    if (*c < ' ') *c = ' ';
  return printf("requests %u failed %u mixed %u %s\n", counts->requests, counts->failed, counts->mixed, counts->first) < 0;
}

int main(int count, char **words) {
  signal(SIGTERM, stop);
  const char *verb = count > 1 ? words[1] : "cat", *word = count > 2 ? words[2] : "";
  setvbuf(stdout, 0, _IOLBF, 0);
  if (!strcmp(verb, "exit")) return usleep(count > 3 ? 1000 * atoi(words[3]) : 0), atoi(word);
  if (!strcmp(verb, "listen") && count > 3 && *words[3] == '/' && write_to(words[3], "w", "began\n")) return 1;
  if (!strcmp(verb, "listen")) return listen_on(atoi(word), count > 3 && *words[3] != '/' ? words[3] : "200");
  if (!strcmp(verb, "serve")) return serve_on(atoi(word), count > 3 ? words[3] : "", count > 4 ? atoi(words[4]) : 0);
  if (!strcmp(verb, "book") && count > 4) return book = words[3], entries = atoi(words[4]), serve_on(atoi(word), "", 0);
  if (!strcmp(verb, "fault") && count > 7) return fault_on(atoi(word), words + 3);
  if (!strcmp(verb, "load") && count > 6) return load(word, atoi(words[3]), words[4], words[5], atoi(words[6]), count < 8);
  if (!strcmp(verb, "proxy")) return proxy_on(atoi(word));
  /* Where name service has no answer, these lines of a hosts file have one; then the rest of the words runs. */
  if (!strcmp(verb, "hosts") && count > 3) return write_to("/etc/hosts", "a", word) || execv(words[3], words + 3);
  if (!strcmp(verb, "check")) return access(word, F_OK) ? 1 : 0;
  if (!strcmp(verb, "show")) return show(word);
  if (!strcmp(verb, "pour")) return pour(word, count > 3 ? atoi(words[3]) : 0, count > 4 ? atoi(words[4]) : 0);
  if (!strcmp(verb, "remove")) return unlink(word) ? 1 : 0;
  if (!strcmp(verb, "reach")) return count > 3 ? reach(word, words[3]) : 1;
  if (!strcmp(verb, "env")) return printf("%s\n", getenv(word) ? getenv(word) : "(none)") < 0;
  if (!strcmp(verb, "say")) {
    for (int line = 1; line <= atoi(word); line++) {
      printf("out %d\n", line);
      fprintf(stderr, "err %d\n", line);
    }
    return count > 3 ? atoi(words[3]) : 0;
  }
  if (!strcmp(verb, "long")) {
    for (int i = 0; i < atoi(word); i++) putchar('x');
    putchar('\n');
    return 0;
  }
  if (!strcmp(verb, "cat")) {
    char piece[4096];
    ssize_t length;
    while ((length = read(0, piece, sizeof piece)) > 0)
      if (write(1, piece, length) < 0) return 1;
    return 7;
  }
  if (!strcmp(verb, "write") || !strcmp(verb, "append"))
    return count > 3 ? write_to(word, verb[0] == 'w' ? "w" : "a", words[3]) : 1;
  if (!strcmp(verb, "hole")) {
    FILE *file = fopen(word, "w");
    return !file || count < 4 || ftruncate(fileno(file), atol(words[3]) << 20) || fclose(file);
  }
  if (!strcmp(verb, "keep")) {
    const char *value = count > 3 ? getenv(words[3]) : 0;
    return write_to(word, "w", value ? value : "(none)");
  }
  if (!strcmp(verb, "tty")) return printf("%s\n", isatty(1) ? "terminal" : "none") < 0;
  if (!strcmp(verb, "eat"))
    for (;;) {
      char *piece = malloc(1 << 20);
      if (piece) memset(piece, 1, 1 << 20);
    }
  for (;;) pause();
}
