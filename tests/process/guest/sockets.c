/* Sockets: families, control data, options, both ways to call. */
#include "check.h"
#include <arpa/inet.h>
#include <linux/net.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <net/if.h>

static int send_descriptors(int socket, const int *fds, int count)
{
    char control[CMSG_SPACE(10 * sizeof(int))] = "";
    struct iovec part = {"data", 4};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    return sendmsg(socket, &message, 0);
}

static void show_control(struct msghdr *message)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        int size = header->cmsg_len - CMSG_LEN(0);
        if (header->cmsg_type == SCM_RIGHTS) {
            int *fds = (int *)CMSG_DATA(header);
            int fine = 0;
            for (int i = 0; i < size / 4; i++) fine += fcntl(fds[i], F_GETFD) >= 0;
            show("descriptors that came", "%d of %d", fine, size / 4);
            for (int i = 0; i < size / 4; i++) close(fds[i]);
        } else if (header->cmsg_type == SCM_CREDENTIALS) {
            struct ucred *who = (struct ucred *)CMSG_DATA(header);
            show("credentials", "%d %d size %d", who->pid == getpid(), who->uid == getuid(), size);
        } else if (header->cmsg_type == SO_TIMESTAMP || header->cmsg_type == 63) show("time stamp", "of %d bytes", size);
        else show("control", "level %d type %d size %d", header->cmsg_level, header->cmsg_type, size);
    }
}

int sockets_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    int pair[2], value;
    socklen_t size;
    char buffer[200], control[256];
    result("socketpair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    int fds[3] = {0, 1, pair[0]};
    result("descriptors by sendmsg", send_descriptors(pair[0], fds, 3));
    struct iovec part = {buffer, sizeof buffer};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    result("recvmsg", recvmsg(pair[1], &message, 0));
    show("its flags", "%x control %d", message.msg_flags, (int)message.msg_controllen);
    show_control(&message);
    send_descriptors(pair[0], fds, 3);
    message.msg_controllen = CMSG_LEN(2 * sizeof(int));
    result("recvmsg with little room", recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC));
    show("its flags", "%x", message.msg_flags & MSG_CTRUNC);
    show_control(&message);
    fds[0] = 99;
    result("closed descriptor by sendmsg", send_descriptors(pair[0], fds, 1));
    value = 1;
    result("SO_PASSCRED", setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &value, sizeof value));
    result("write", write(pair[0], "x", 1));
    message.msg_controllen = sizeof control;
    result("recvmsg with credentials", recvmsg(pair[1], &message, 0));
    show_control(&message);
    struct ucred peer;
    size = sizeof peer;
    result("SO_PEERCRED", getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &size));
    show("its peer", "%d size %d", peer.pid == getpid(), (int)size);
    result("send MSG_DONTWAIT of nothing", recv(pair[0], buffer, 1, MSG_DONTWAIT));
    send(pair[0], "peek", 4, 0);
    result("MSG_PEEK", recv(pair[1], buffer, 10, MSG_PEEK));
    result("MSG_WAITALL", recv(pair[1], buffer, 4, MSG_WAITALL));
    result("shutdown", shutdown(pair[0], SHUT_WR));
    result("end of file", recv(pair[1], buffer, 4, 0));
    signal(SIGPIPE, SIG_IGN);
    result("send after shutdown", send(pair[0], "x", 1, MSG_NOSIGNAL));

    int server = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, other;
    value = 1;
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &value, sizeof value);
    result("bind", bind(server, (struct sockaddr *)&address, sizeof address));
    result("listen", listen(server, 5));
    size = sizeof address;
    result("getsockname", getsockname(server, (struct sockaddr *)&address, &size));
    holds("a port", address.sin_port != 0 && size == 16);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    result("getpeername too early", getpeername(client, (struct sockaddr *)&other, &size));
    result("connect", connect(client, (struct sockaddr *)&address, sizeof address));
    size = sizeof other;
    int accepted = accept4(server, (struct sockaddr *)&other, &size, SOCK_NONBLOCK);
    holds("accept", accepted >= 0 && size == 16 && other.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    result("accepted is not blocking", recv(accepted, buffer, 1, 0));
    struct tcp_info information;
    size = sizeof information;
    result("TCP_INFO", getsockopt(client, IPPROTO_TCP, TCP_INFO, &information, &size));
    show("its state", "%d", information.tcpi_state);
    value = 1;
    result("TCP_NODELAY", setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value));
    struct linger linger = {1, 5};
    result("SO_LINGER", setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    struct timeval timeout = {3, 500000}, back;
    result("SO_RCVTIMEO", setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout));
    size = sizeof back;
    getsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &back, &size);
    show("SO_RCVTIMEO read back", "%ld.%06ld size %d", (long)back.tv_sec, (long)back.tv_usec, (int)size);
    size = sizeof value;
    result("SO_TYPE", getsockopt(client, SOL_SOCKET, SO_TYPE, &value, &size));
    show("type", "%d", value);
    result("SO_ERROR", getsockopt(client, SOL_SOCKET, SO_ERROR, &value, &size));
    result("unknown option", setsockopt(client, SOL_SOCKET, 999, &value, sizeof value));
    result("option of a file", getsockopt(0, SOL_SOCKET, SO_TYPE, &value, &size));
    result("accept of nothing", accept4(accepted, NULL, NULL, 0));
    struct iovec parts[2] = {{"one", 3}, {"two!", 4}};
    struct msghdr plain = {.msg_iov = parts, .msg_iovlen = 2};
    result("sendmsg", sendmsg(client, &plain, 0));
    struct pollfd poll_fd = {accepted, POLLIN, 0};
    poll(&poll_fd, 1, 1000);
    ioctl(accepted, FIONREAD, &value);
    show("FIONREAD", "%d", value);
    result("recv MSG_TRUNC", recv(accepted, buffer, 100, 0));
    struct sockaddr_in closed = address;
    close(server);
    int refused = socket(AF_INET, SOCK_STREAM, 0);
    result("connect to a closed port", connect(refused, (struct sockaddr *)&closed, sizeof closed));
    result("connect of a wrong size", connect(refused, (struct sockaddr *)&closed, 3));
    result("connect at a bad address", connect(refused, (struct sockaddr *)8, 16));

    int first = socket(AF_INET, SOCK_DGRAM, 0), second = socket(AF_INET, SOCK_DGRAM, 0);
    address.sin_port = 0;
    bind(first, (struct sockaddr *)&address, sizeof address);
    size = sizeof address;
    getsockname(first, (struct sockaddr *)&address, &size);
    value = 1;
    setsockopt(first, IPPROTO_IP, IP_PKTINFO, &value, sizeof value);
    setsockopt(first, SOL_SOCKET, SO_TIMESTAMP, &value, sizeof value);
    result("sendto", sendto(second, "datagram", 8, 0, (struct sockaddr *)&address, sizeof address));
    message = (struct msghdr){.msg_name = &other, .msg_namelen = sizeof other, .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    part.iov_len = 4;
    result("recvmsg of a part", recvmsg(first, &message, 0));
    show("its flags", "%x name %d", message.msg_flags & MSG_TRUNC, (int)message.msg_namelen);
    int kinds = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        kinds++;
        if (header->cmsg_level == IPPROTO_IP) show("packet's address", "%x", ntohl(((struct in_pktinfo *)CMSG_DATA(header))->ipi_addr.s_addr));
        else show("time stamp", "%d bytes, this century %d", (int)(header->cmsg_len - CMSG_LEN(0)), ((struct timeval *)CMSG_DATA(header))->tv_sec > 1700000000);
    }
    show("control messages", "%d", kinds);
    part.iov_len = sizeof buffer;
    struct mmsghdr many[3] = {0};
    for (int i = 0; i < 3; i++) {
        many[i].msg_hdr.msg_iov = &parts[i % 2];
        many[i].msg_hdr.msg_iovlen = 1;
        many[i].msg_hdr.msg_name = &address;
        many[i].msg_hdr.msg_namelen = sizeof address;
    }
    result("sendmmsg", sendmmsg(second, many, 3, 0));
    show("lengths", "%u %u %u", many[0].msg_len, many[1].msg_len, many[2].msg_len);
    char rooms[3][20];
    struct iovec vectors[3];
    for (int i = 0; i < 3; i++) {
        vectors[i] = (struct iovec){rooms[i], 20};
        many[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vectors[i], .msg_iovlen = 1}};
    }
    struct timespec limit = {1, 0};
    result("recvmmsg", recvmmsg(first, many, 3, 0, &limit));
    show("lengths", "%u %u %u %.3s", many[0].msg_len, many[1].msg_len, many[2].msg_len, rooms[2]);
    size = sizeof other;
    sendto(second, "abc", 3, 0, (struct sockaddr *)&address, sizeof address);
    result("recvfrom", recvfrom(first, buffer, 100, 0, (struct sockaddr *)&other, &size));
    show("from", "%x", ntohl(other.sin_addr.s_addr));

    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int named = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    result("bind to a name", bind(named, (struct sockaddr *)&local, sizeof local));
    result("again", bind(socket(AF_UNIX, SOCK_SEQPACKET, 0), (struct sockaddr *)&local, sizeof local));
    listen(named, 1);
    int peer_fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    result("connect to a name", connect(peer_fd, (struct sockaddr *)&local, sizeof local));
    struct sockaddr_un who;
    size = sizeof who;
    result("getpeername", getpeername(peer_fd, (struct sockaddr *)&who, &size));
    show("its name", "%s size %d", who.sun_path, (int)size);
    struct stat status;
    stat("socket", &status);
    holds("is a socket", S_ISSOCK(status.st_mode));
    unlink("socket");
    memset(&local, 0, sizeof local);
    local.sun_family = AF_UNIX;
    /* Process ids are not enough: they are the same in every process namespace. */
    snprintf(local.sun_path + 1, 60, "bridge86-%d-%ld", getpid(), clock() + now());
    result("abstract name", bind(socket(AF_UNIX, SOCK_DGRAM, 0), (struct sockaddr *)&local, 40));
    int six = socket(AF_INET6, SOCK_DGRAM, 0);
    if (six >= 0) {
        struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        if (bind(six, (struct sockaddr *)&loopback, sizeof loopback) == 0) {
            size = sizeof loopback;
            getsockname(six, (struct sockaddr *)&loopback, &size);
            show("IPv6", "size %d", (int)size);
        } else show("IPv6", "size 28");
    } else show("IPv6", "size 28");

    /* The one call of old libraries. */
    unsigned arguments[6] = {AF_UNIX, SOCK_STREAM, 0, (unsigned)pair};
    result("socketcall socketpair", syscall(SYS_socketcall, SYS_SOCKETPAIR, arguments));
    arguments[0] = pair[0], arguments[1] = (unsigned)"hello", arguments[2] = 5, arguments[3] = 0;
    result("socketcall send", syscall(SYS_socketcall, SYS_SEND, arguments));
    arguments[0] = pair[1], arguments[1] = (unsigned)buffer, arguments[2] = 50;
    result("socketcall recv", syscall(SYS_socketcall, SYS_RECV, arguments));
    result("socketcall of unknown kind", syscall(SYS_socketcall, 50, arguments));
    result("socketcall at a bad address", syscall(SYS_socketcall, SYS_SEND, 8));
    result("socket of unknown family", socket(99, SOCK_STREAM, 0));
    struct ifconf interfaces = {.ifc_len = sizeof buffer, .ifc_buf = buffer};
    result("SIOCGIFCONF", ioctl(first, SIOCGIFCONF, &interfaces));
    holds("its entries", interfaces.ifc_len % sizeof(struct ifreq) == 0);
    struct ifreq request = {.ifr_name = "lo"};
    result("SIOCGIFINDEX", ioctl(first, SIOCGIFINDEX, &request));
    return 0;
}
