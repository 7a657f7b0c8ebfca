<%-- The page of a host's own route: the application. --%>
<%@ page session="false" %>
<% response.sendRedirect("/" + System.getenv("NAME") + "/"); %>
