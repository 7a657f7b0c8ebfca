/* The one program of the test image: plays a container as its arguments say. */
#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void stop(int signal) {
  (void)signal;
  _exit(143);
}

static int listen_on(int port) {
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
          "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", strlen(host), host);
      if (write(client, answer, length) < 0) perror("write");
    }
    close(client);
  }
}

/* A connection to the container that the path of a request names, /billing/…; -1 where there is none. */
static int named(const char *request) {
  char name[64] = "";
  struct addrinfo hint = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
  if (sscanf(request, "GET /%63[a-z0-9-]", name) != 1 || getaddrinfo(name, "8080", &hint, &found)) return -1;
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

int main(int count, char **words) {
  signal(SIGTERM, stop);
  const char *verb = count > 1 ? words[1] : "cat", *word = count > 2 ? words[2] : "";
  setvbuf(stdout, 0, _IOLBF, 0);
  if (!strcmp(verb, "exit")) return usleep(count > 3 ? 1000 * atoi(words[3]) : 0), atoi(word);
  if (!strcmp(verb, "listen")) return listen_on(atoi(word));
  if (!strcmp(verb, "proxy")) return proxy_on(atoi(word));
  if (!strcmp(verb, "check")) return access(word, F_OK) ? 1 : 0;
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
  if (!strcmp(verb, "write") || !strcmp(verb, "append")) {
    FILE *file = fopen(word, verb[0] == 'w' ? "w" : "a");
    if (!file || count < 4) return 1;
    fputs(words[3], file);
    return fclose(file);
  }
  if (!strcmp(verb, "keep")) {
    FILE *file = fopen(word, "w");
    if (!file || count < 4) return 1;
    fputs(getenv(words[3]) ? getenv(words[3]) : "(none)", file);
    return fclose(file);
  }
  if (!strcmp(verb, "tty")) return printf("%s\n", isatty(1) ? "terminal" : "none") < 0;
  if (!strcmp(verb, "eat"))
    for (;;) {
      char *piece = malloc(1 << 20);
      if (piece) memset(piece, 1, 1 << 20);
    }
  for (;;) pause();
}
